"""Domain conversion: images of one domain ask for their class in another one."""

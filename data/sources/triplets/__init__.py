"""Published queries of a reference image and a text: CIRR, FashionIQ, CIRCO, GeneCIS, COCO."""

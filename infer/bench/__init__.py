"""`zscr bench`: how fast a bundle and its index answer, after the rules of MLPerf inference."""

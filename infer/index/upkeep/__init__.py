"""Looking after an index: checked, mended, written anew, joined of several."""

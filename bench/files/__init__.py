"""Files that may be missing, damaged or hostile → arrays."""

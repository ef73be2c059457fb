"""The inversions, one file or folder each; a file here is a method, one with a leading underscore is not."""

"""Scores of an estimate against the truth."""

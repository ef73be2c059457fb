"""What can be known: the generating family as a statistical model, its posterior, its best fit and its bounds."""

"""The page of a results folder: one HTML file with tables, plots and cases, that needs nothing else."""

"""Which cells: from the words of the command line to points of the study."""

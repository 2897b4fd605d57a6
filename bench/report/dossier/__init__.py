"""What a dossier is made of: sourced numbers, sections, and the two texts that they are written as."""

"""What is known of each dialect of text: whose step a line is, its opcode, its noise."""

"""The commands: a public file is one."""

"""How well: cells, records, honest measurement, comparison, report, and the command line over them.

A file of `commands/` without a leading underscore is a command of `oneblock`.
"""

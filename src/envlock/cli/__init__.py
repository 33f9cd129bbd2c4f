"""The command line: parse, wire edges to operations, print."""

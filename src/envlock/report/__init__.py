"""Findings and differences as text; renderers return, the command line prints."""

"""One verb a module, named after its command, handed its edges."""

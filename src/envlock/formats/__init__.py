"""Readers and writers of the file formats on the way: pylock, wheel, deb, ELF, tar, deflate."""

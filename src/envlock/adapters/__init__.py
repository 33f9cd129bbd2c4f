"""Whatever touches a process, a socket, an Engine, git or a clock."""

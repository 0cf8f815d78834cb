"""Background work. Every task may run twice and must then have one effect."""

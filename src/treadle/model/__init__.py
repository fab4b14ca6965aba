"""What things are and which changes are legal. Nothing in this room does I/O."""

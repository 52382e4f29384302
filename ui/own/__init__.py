"""Models and texts that people bring: the dialogs in which they are taken in, checked and removed."""

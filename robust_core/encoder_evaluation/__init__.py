"""What a sentence encoder is worth: similarity, transfer and attack tasks."""

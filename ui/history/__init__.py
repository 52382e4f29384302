"""The History page: everything that was run and kept, listed, searched, opened, compared, exported, removed."""

"""Everything that was run here and kept: listed, searched, compared, exported, removed."""

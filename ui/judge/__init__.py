"""The Judge page: texts chosen, judged blind by keys, what comes of it, and all judges in one place."""

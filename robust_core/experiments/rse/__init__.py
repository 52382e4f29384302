"""The tables of the RobustSentEmbed paper."""

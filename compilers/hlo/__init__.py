"""The HLO format: parser, counts, steps, traffic; three toolchains and the bench read it."""

"""The name and the version that both programs print for `--version`: those of pyproject.toml, which a container lacks."""

NAME = "aurora-restore-pipeline"
VERSION = "0.1.0"

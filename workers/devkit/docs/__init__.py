"""The pages of ``docs/`` that are made from the code: ``python -m workers.devkit.docs`` writes them."""

"""How is a record delivered and committed? source, intake, lanes, sender, outcomes, finisher, commits."""

"""From an executed notebook to a page people read: run one study, render it, build the index, check it."""

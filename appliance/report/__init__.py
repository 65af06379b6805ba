"""What a run did: `view` folds its events, the one fold there is; `text`, `document` and `html` show a `result`."""

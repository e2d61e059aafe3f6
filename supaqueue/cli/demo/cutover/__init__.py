"""`supaqueue demo --cutover`: a whole cutover in minutes, with real files, workers and kills."""

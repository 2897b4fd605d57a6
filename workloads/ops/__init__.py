"""What a program is written in: the operations' plain definitions, NumPy's, dtypes."""

"""What was seen leaves in the standard's own objects: SR, GSPS, SEG, KOS, PDF and, where asked for, Secondary Capture.

Pure: frozen values in, data sets out. Nothing here reads a clock, a journal or a file but ``stored``.
"""

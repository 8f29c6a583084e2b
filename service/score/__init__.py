"""``cementwatch score``: phantom scenes through the function that runs live, held against what is true."""

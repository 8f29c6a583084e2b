"""A procedure as resources of FHIR R4, in one transaction that may be sent again and again.

Pure but for ``dossier``, which reads journal and spool, and ``post``, which speaks to a server.
"""

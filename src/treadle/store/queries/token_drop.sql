DELETE FROM tokens WHERE digest = $1 RETURNING digest

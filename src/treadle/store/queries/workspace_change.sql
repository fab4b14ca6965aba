UPDATE workspaces SET
    name = coalesce($2, name),
    description = coalesce($3, description),
    metastore_id = coalesce($4, metastore_id)
WHERE id = $1
RETURNING *

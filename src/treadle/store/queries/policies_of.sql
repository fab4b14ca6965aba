SELECT document FROM policies WHERE project_id = $1 ORDER BY name COLLATE "C"

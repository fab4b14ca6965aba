SELECT * FROM statements WHERE id = $1

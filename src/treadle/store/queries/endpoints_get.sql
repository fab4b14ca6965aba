SELECT * FROM endpoints WHERE id = ANY ($1::text[])

INSERT INTO audit (at, project_id, user_id, user_name, address, request_id, action, outcome, workspace_id, resource,
    detail, key, closes, times)
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::boolean[], $14::integer[])

SELECT holder, place, pid, renewed_at FROM gateway

UPDATE catalogs SET data_path = %s WHERE id = %s

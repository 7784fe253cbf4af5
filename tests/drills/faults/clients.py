DRILLS: list = []

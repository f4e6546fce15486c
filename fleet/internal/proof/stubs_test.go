package proof

func crowd() int { return 0 }

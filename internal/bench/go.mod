module harken/internal/bench

go 1.26.0

replace harken => ../..

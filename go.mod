module utmpd.dev/utmpd

go 1.26

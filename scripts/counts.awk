# Sums the test counts in a part's log, from the closing lines of the runners we use. Prints: run passed failed.

# cargo-nextest:  "     Summary [   1.2s] 12 tests run: 10 passed (1 slow), 2 failed, 0 skipped"
/^ *Summary \[.*tests? run:/ {
    sub(/.*run: /, "")
    gsub(/\([^)]*\)/, "")
    n = split($0, counts, /, */)
    for (i = 1; i <= n; i++) {
        split(counts[i], field, " ")
        if (field[2] == "passed") passed += field[1]
        # failed, timed out, failed to start: everything else that ran did not pass.
        else if (field[2] != "skipped") failed += field[1]
    }
    next
}

# cargo test:  "test result: ok. 3 passed; 0 failed; 0 ignored; …"
/^test result: / {
    for (i = 1; i < NF; i++) {
        if ($(i + 1) == "passed;") passed += $i
        if ($(i + 1) == "failed;") failed += $i
    }
    next
}

# vitest:  "      Tests  1 failed | 7 passed (8)"
/^ *Tests +[0-9]+ (passed|failed)/ {
    for (i = 1; i < NF; i++) {
        if ($(i + 1) == "passed") passed += $i
        if ($(i + 1) == "failed") failed += $i
    }
    next
}

# Our own runners end with the same line as this one does:  "7 passed, 0 failed"
/^[0-9]+ passed, [0-9]+ failed$/ {
    passed += $1
    failed += $3
}

END { print passed + failed, passed + 0, failed + 0 }

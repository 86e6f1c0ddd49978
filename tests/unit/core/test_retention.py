from kettlingard.core.retention import old_logs, old_name, outdated, rotated_at

LOG = "blog-1.log"
DAY = 86400


def test_an_old_log_has_its_time_in_its_name():
    name = old_name(LOG, 1_700_000_000.25)
    assert name == "blog-1.log.20231114T221320.250000Z"
    assert rotated_at(name, LOG) == rotated_at(name + ".gz", LOG) == 1_700_000_000.25


def test_nobody_elses_file_is_an_old_log():
    others = [LOG, "blog-10.log", "blog-1.log.bak", "blog-1.log.99999999T999999.999999Z"]
    others += [f"blog-1.log.{'x' * 23}", old_name("blog-11.log", 5), old_name(LOG, 5) + ".gz.part"]
    assert old_logs(others, LOG) == []


def test_the_oldest_beyond_keep_go_and_so_do_those_of_age():
    names = [old_name(LOG, day * DAY) + (".gz" if day < 5 else "") for day in range(1, 8)]
    gone = outdated([*names, "other"], LOG, keep=4, oldest=5 * DAY)
    assert sorted(gone) == names[:4]
    assert outdated(names, LOG, keep=10, oldest=0.0) == []
    assert sorted(outdated(names, LOG, keep=0, oldest=0.0)) == names

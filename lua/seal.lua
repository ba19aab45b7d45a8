-- The last step of a rebuild: from now on what stands under this epoch counts.
--
-- KEYS  1 seal
-- ARGV  1 the run id of the server that was loaded   2 seconds after which an epoch that nobody touches is forgotten
-- Answers: OK
--
-- Sent to another server than the one loaded (a failover in between), the seal names a server that does not answer: void.

redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 'OK'

/** What the cashier was sent to look for: a hold opened from the live page is found without typing its code again. */
import { ref } from "vue";

export const cashierSearch = ref("");
